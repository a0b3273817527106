next_stage ; make
next_stage
make install
next_stage & make
next_stage | make
everytime # && make
{ everytime; }
