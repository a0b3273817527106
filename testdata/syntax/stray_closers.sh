fi
}
done
esac
a; )
;;
