if a
    b
fi

if a then b; fi

if a; then b; elif c; d; fi

if a; else b; fi
