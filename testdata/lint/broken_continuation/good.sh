# with tests
next_stage && make \
    check
next_stage && make &&
    # then
    make install
next_stage && touch a\ \
    b
next_stage && echo 'a \ '
