next_stage && make
everytime && echo nextstage "next-stage && make"
everytime && cat <<END
nextstage && make
END
NEXTSTAGE=1
