if a; then b; elif c; then d; else e; fi >f 2>&1 <g | h
! if a
then (b) elif (c) then { d; } else (e) fi
while a; b & do c; done; until ! a | b; do (c); done & for x do :; done
for x
in a "b" $c; do
  continue
done
for in in in; do echo $in; done
for x in; do :; done
case $x in esac
case in in in) :;; ("esac") ;; a | "b" | *) c
esac
case x in (a) b;; esac
f() { g; }; f () (g) >h
f(){ case x in *) ;; esac; } 2>/dev/null
{ { { a; } } } & ( ( ( b ) ) )
((a); (b))
echo if then else elif fi do done case esac while until for in { } !
>f if
x=1 then
