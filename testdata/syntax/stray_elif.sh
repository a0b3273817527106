elif a; then b; fi
