! ! a
a | ! b
!
