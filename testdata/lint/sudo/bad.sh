next_stage && sudo make install
