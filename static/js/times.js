// Moments in the reader's own time zone, which is named: the server writes them in UTC, in the same form.

// ASCII digits, Gregorian dates and hours from 0 to 23 in every language, as on the server (app/web/languages.py).
const code = document.documentElement.lang;
export const language = new Intl.Locale(code, { numberingSystem: "latn", calendar: "gregory" });
const spoken = code === "en" ? new Intl.Locale("en-GB") : language; // the day before the month
const form = new Intl.DateTimeFormat(spoken, {
  day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short",
});

export function localTimes() {
  for (const time of document.querySelectorAll("[data-local-time]")) {
    time.title ||= time.textContent; // in UTC
    time.textContent = form.format(new Date(time.dateTime));
  }
}
