if a; then b; then c; fi

if a; then b; else c; else d; fi

if a; then b; else c; elif d; then e; fi

while a; do b; do c; done
