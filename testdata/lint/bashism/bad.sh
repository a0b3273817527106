x=abc
everytime && echo ${x/a/b}
everytime && echo ${x:1:2}
everytime && echo ${x^^}
everytime && echo ${!x}
everytime && echo ${x@Q}
everytime && echo ${x[1]}
everytime && echo "${ x}" ${}
everytime && [[ $x == y* ]]
next_stage && source /etc/profile && make
everytime && for i in "${x[@]}"; do echo "$i"; let i=1; done
everytime && cat <<END
${x,,} $(echo ${x:0:1})
END
next_stage && make &> log
