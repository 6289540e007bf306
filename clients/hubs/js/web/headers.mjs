// Headers.getSetCookie, which Debian's Node 18 does not have: its Headers join cookies by commas. A comma that is no
// part of a cookie has a name and "=" behind it.
export function completeHeaders() {
  Headers.prototype.getSetCookie ??= function getSetCookie() {
    return this.get('set-cookie')?.split(/,\s*(?=[^;,=\s]+=)/) ?? [];
  };
}
