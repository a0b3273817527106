everytime && git -C /opt/tool fetch && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
