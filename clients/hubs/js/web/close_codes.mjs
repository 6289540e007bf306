// Codes of closes that the host itself makes or is told of (RFC 6455, 7.4.1, and IANA's registry of them).
export const CloseCode = {
  NO_STATUS: 1005,  // nothing was said
  LOST: 1006,       // not clean: the other end is no more
  FAILED: 1011,
  RESTARTED: 1012,
  TOO_MUCH: 1013,
};
