next_stage && make
next_stage && make; everytime && make install
refresh() { make; }
next_stage && refresh
