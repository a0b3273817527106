# A comment “as it likes”.
next_stage && echo "a b" '“x”' bär >/opt/x
everytime && cat <<E
a b
E
