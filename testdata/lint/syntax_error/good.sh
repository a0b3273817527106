next_stage && make
next_stage &&
    { if [ -d /x ]; then a; fi; }
next_stage && echo "x"
