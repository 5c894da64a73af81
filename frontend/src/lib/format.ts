// Numbers and times for people, in their language and their time zone.

const counts = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const moment = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium',
  timeStyle: 'medium',
});
const minute = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
});

export const printCount = (n: number): string => counts.format(n);

export function printRate(perSecond: number): string {
  return perSecond > 0 && perSecond < 10
    ? perSecond.toFixed(1)
    : printCount(Math.round(perSecond));
}

/** “1 person”, “2 people”. */
export const printPeople = (n: number): string =>
  `${printCount(n)} ${n === 1 ? 'person' : 'people'}`;

export const printMoment = (ms: number): string => moment.format(ms);
export const printMinute = (ms: number): string => minute.format(ms);

/** The time, and the day where that is not today. */
export function printTime(ms: number, now = Date.now()): string {
  const sameDay = new Date(ms).toDateString() === new Date(now).toDateString();
  return sameDay ? clock.format(ms) : moment.format(ms);
}

const UNITS: [string, number][] = [
  ['d', 86_400],
  ['h', 3600],
  ['min', 60],
  ['s', 1],
];

/** The two largest units: “2 d 3 h”, “4 min 5 s”, “0 s”. */
export function printDuration(ms: number): string {
  const secs = Math.max(0, Math.floor(ms / 1000));
  const at = UNITS.findIndex(([, size]) => secs >= size);
  if (at < 0) return '0 s';
  const [unit, size] = UNITS[at] as [string, number];
  const [small, smallSize] = UNITS[at + 1] ?? ['', 0];
  const rest = smallSize ? Math.floor((secs % size) / smallSize) : 0;
  return `${Math.floor(secs / size)} ${unit}${rest > 0 ? ` ${rest} ${small}` : ''}`;
}

/** “4:05”, “1:00:00”: what is left of a countdown, the second that runs included. */
export function printCountdown(ms: number): string {
  const secs = Math.max(0, Math.ceil(ms / 1000));
  const parts = [Math.floor(secs / 3600), Math.floor(secs / 60) % 60, secs % 60];
  const shown = parts[0] ? parts : parts.slice(1);
  return shown.map((n, i) => (i === 0 ? `${n}` : `${n}`.padStart(2, '0'))).join(':');
}

export function printUntil(until: number, now: number): string {
  return until === 0 ? 'for good' : `for another ${printDuration(until - now + 999)}`;
}

export const errorText = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
