echo "${x"
