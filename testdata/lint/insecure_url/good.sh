next_stage && git clone -b v1 https://example.org/tool /opt/tool \
    && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
