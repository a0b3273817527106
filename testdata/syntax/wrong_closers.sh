f() {
    if a; then
        b
}

if a; then b; done

(a; }

case x in a) while b; do c ;; esac
