function f {
    a
}

function g() {
    b
}
