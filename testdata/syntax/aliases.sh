alias loop='while true; do' not='! '
not false && loop echo x; break; done
next_stage && echo one
