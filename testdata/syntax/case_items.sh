case x in a) b ;; ; c) d ;; esac

case x in a) b ;;& c) d ;; esac

case x in a) b ;& c) d ;; esac

a ;; b
