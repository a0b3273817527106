1st() { a; }

make-it() { a; }

export() { a; }

f(x) { a; }
