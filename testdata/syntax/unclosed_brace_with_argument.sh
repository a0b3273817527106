f() { echo a }
f
