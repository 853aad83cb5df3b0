/* What the chip has. STUB_NO_WIFI: as the ESP32-H2; STUB_NO_RADIO: as the ESP32-P4. */
#ifndef STUB_SOC_CAPS_H
#define STUB_SOC_CAPS_H

#ifndef STUB_NO_RADIO
#define SOC_BT_SUPPORTED 1
#ifndef STUB_NO_WIFI
#define SOC_WIFI_SUPPORTED 1
#endif
#endif

#endif
