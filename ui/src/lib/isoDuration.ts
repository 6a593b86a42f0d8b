/**
 * `PT5M`, `5m`, `P1D`, `1d` as people say it. Sentinel's rule files use both forms; what is neither is
 * shown as it is.
 */
export function isoDuration(text: string): string {
  const short = /^(\d+)([smhd])$/i.exec(text);
  const iso = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/i.exec(text);
  const parts: [string | undefined, string][] = short
    ? [[short[1], { s: 'second', m: 'minute', h: 'hour', d: 'day' }[(short[2] as string).toLowerCase() as 's' | 'm' | 'h' | 'd']]]
    : iso
      ? [
          [iso[1], 'day'],
          [iso[2], 'hour'],
          [iso[3], 'minute'],
          [iso[4], 'second'],
        ]
      : [];
  const said = parts.filter(([n]) => n !== undefined && Number(n) > 0).map(([n, unit]) => (Number(n) === 1 ? `1 ${unit}` : `${n} ${unit}s`));
  return said.length === 0 ? text : said.join(' ');
}
