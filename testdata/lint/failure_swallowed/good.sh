next_stage && make install
