a; do b; done
