# Jasmin copies this when it is added (mtinterceptor -a, script python3(…/interceptor.py)); all else is in the module.
import prefledger_gate

http_status, smpp_status = prefledger_gate.check(routable)  # noqa: F821 (Jasmin provides it)
