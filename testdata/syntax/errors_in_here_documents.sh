cat <<E
${x^}
$(if a; fi)
E
cat <<'E'
${x^}
E
fi
