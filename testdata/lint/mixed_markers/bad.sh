everytime && next_stage && make
next_stage && make && { everytime && make install; }
refresh() { everytime && make; }
next_stage && refresh
