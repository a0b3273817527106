echo "$(a && )" `b; fi` ${x:-$(c | )}
