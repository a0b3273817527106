f() {
    echo "a $(b) c
}
