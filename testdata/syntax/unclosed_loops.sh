while a; do
    for x in b c; do
        d
    done
