if a; do b; fi

while a; then b; done

for x in a; then b; done
