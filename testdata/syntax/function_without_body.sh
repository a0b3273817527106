f()

g() ls

h() >log { a; }

i() ; j
