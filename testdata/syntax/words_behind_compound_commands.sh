{ a; } b

if a; then b; fi c

(a) (b)

{ { a; } >log }
