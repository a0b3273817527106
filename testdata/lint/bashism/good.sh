x=abc
everytime && [ "${x#y}" != "$x" ] && echo "${x%%/*}" "${#x}" "${x:-1}" "${x:+${y:=z}}"
next_stage && . /etc/profile && make
everytime && echo '${x//a/b}' "\${x[1]}" [[ source
