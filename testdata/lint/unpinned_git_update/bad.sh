everytime && git -C /opt/tool pull
