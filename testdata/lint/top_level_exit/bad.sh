next_stage && make
exit 0
