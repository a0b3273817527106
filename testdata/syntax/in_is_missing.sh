for x a b; do c; done

case x a) b ;; esac

case x y in a) b ;; esac

for x; in a; do b; done
