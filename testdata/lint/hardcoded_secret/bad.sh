next_stage && git clone https://user:s3cret@example.org/tool /opt/tool \
    && git -C /opt/tool checkout 3f786850e387550fdab836ed7e6dc881de23001b
