cat <<A <<-"B" 3<<'C' && { cat <<D; } | (cat <<E)
$(cat <<A
nested $((1 + $(echo 2)))
A
)
A
	tab `echo \`echo deep\``
	B
${x:-"quoted $y"} \
C
C
d \
joined
D
\$x \\ \` \" "
E
<<X do
X
cat << -
-
cat <<$x <<"${y z}" <<\E
$x
${y z}
E
x=$(cat <<E
in a substitution
E
)
cat <<end
the text ends $(echo here) \
