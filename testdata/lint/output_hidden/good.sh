next_stage && make
