echo ${x/a/b}
echo ${x:1:2}
echo ${x^^}
echo ${!x}
echo ${x@Q}
echo ${x[1]}
echo "${ x}" ${}
