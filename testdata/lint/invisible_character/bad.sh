next_stage && mkdir /opt/data
everytime && touch /opt/data/on
next_stage && a b
next_stage && cp x​ /y && echo “a b”
everytime && x=$(c’)
