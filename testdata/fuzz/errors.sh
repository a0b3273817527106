if a; fi; then b
case x in ) a;; & ) esac
a=(1 2) <(b) <<< c |& d
f() g; function h { i; }
${x/y/z} ${!a} ${} "${x\"
$((1 + (2)) ; )
`a )` "`b`
for x; in a; { b; }
)) }} ;; && | & < > <<
'
