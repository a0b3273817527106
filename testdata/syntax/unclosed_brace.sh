next_stage && {
    make

next_stage && make install
