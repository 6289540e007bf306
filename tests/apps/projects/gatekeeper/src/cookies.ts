export function parseCookies(header: string | null): Record<string, string> {
  return Object.fromEntries((header ?? "").split(/;\s*/).filter(Boolean).map((each) => {
    const [name, ...value] = each.split("=");
    return [name, value.join("=")];
  }));
}
