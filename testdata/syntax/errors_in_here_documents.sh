cat <<E
$(|)
$(if a; fi)
E
cat <<'E'
${x^}
E
fi
