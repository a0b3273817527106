for 1 in a; do b; done

for $x in a; do b; done

for ((i = 0; i < 9; i++)); do b; done

for
