everytime && date > /tmp/today
