next_stage && make \
next_stage && make check
next_stage && make \ 

next_stage && make \
    # with tests
    echo done
next_stage && make \ # with tests
