case x in ) a ;; esac

case x in a b) c ;; esac

case x in a | ) b ;; esac

case x in a
) b ;; esac

case in a) b ;; esac
